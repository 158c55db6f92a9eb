"""What the processor and the firmware decide: cache modes, PAT, MTRRs, page tables and the TLB."""
