"""The processor and firmware: cache modes, PAT, MTRRs, page tables and the TLB."""
