# A plugin for sos 4: what a report lacks to show a leaked reservation (see README.md beside it).
from sos.report.plugins import DebianPlugin, Plugin, RedHatPlugin, UbuntuPlugin


class Pfnlab(Plugin, RedHatPlugin, DebianPlugin, UbuntuPlugin):
    short_desc = "Cache modes of physical memory: the PAT's list and the MTRRs"
    plugin_name = "pfnlab"
    profiles = ("hardware", "kernel", "memory")

    def setup(self):
        self.add_copy_spec(["/sys/kernel/debug/x86/pat_memtype_list", "/proc/mtrr", "/proc/iomem"])
