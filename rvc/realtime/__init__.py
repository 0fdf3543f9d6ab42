"""Realtime conversion: an engine without clocks, a session that keeps time, ports for sound."""
