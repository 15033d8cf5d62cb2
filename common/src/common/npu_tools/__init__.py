"""The vendor's programs, driven as documented, and their printouts read."""
