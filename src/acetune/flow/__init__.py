"""The mathematics of flow matching: paths, times, guidance, solvers. No files, no devices, no settings."""
