"""Still pictures: from files of any format to levels, and back with everything kept."""
