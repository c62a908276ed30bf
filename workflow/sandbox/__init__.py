"""A local Amazon and a local SEFAZ: stateful, faulty on demand, homologation only."""
