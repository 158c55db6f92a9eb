"""The processor and the firmware: cache modes, PAT, MTRRs, page tables and the TLB."""
