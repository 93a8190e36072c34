"""Films: frames out of a container, color onto their own luma, and all that came along into the new one."""
