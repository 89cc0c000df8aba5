"""What the interop tests stand on: servers, the names and links between them, and users.

Read in this order: `namespace`, `names`, `authority`, `process`, `homeserver` with `synapse` and `althing`,
`link`, `user`, `waiting`, `signed`.
"""
