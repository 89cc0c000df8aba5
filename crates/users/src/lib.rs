//! Accounts, devices, keys, to-device messages and profiles
