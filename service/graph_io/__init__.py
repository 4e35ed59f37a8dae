"""Reading architectures: every format becomes one ArchGraph."""
