//! Layer 1: HTTPS in and out, server discovery, request signing, the key ring
