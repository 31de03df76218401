"""The engine: a thin typed layer over SpiffWorkflow's specs, tasks and workflows."""
