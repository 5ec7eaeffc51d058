"""Cards written and read as block devices, past any file system of the computer: image files, and drives on Linux."""
