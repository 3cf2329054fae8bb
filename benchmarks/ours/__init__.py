"""Our side of each comparison, against segue's API."""
