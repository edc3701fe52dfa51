"""Tables from files: read exactly as they stand or as the user says, never by a guess."""
