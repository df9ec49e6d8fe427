"""Read workflows in the formats that people save: API format, the editor's format, settings."""
