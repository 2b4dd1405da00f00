"""Runs the official clients, unmodified, against the emulator and says what each of them found."""
