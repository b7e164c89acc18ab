"""The update client of a device; docs/DESIGN.md says what each folder owns."""
