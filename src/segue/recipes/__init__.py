"""Published systems, a file each. There is no list: the folder is the list."""
