"""track_ctx, but a VMA that is cut or copied gets no part in the reservation."""

from pfnlab.design import TrackCtx


class Unshared(TrackCtx):
    def vm_area_dup(self, orig, new):
        """The original keeps the range alone, and frees it whole."""
