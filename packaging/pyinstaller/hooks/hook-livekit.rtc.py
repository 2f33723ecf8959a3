"""The library is loaded as a resource of a package that nothing imports by name."""

from PyInstaller.utils.hooks import collect_dynamic_libs

binaries = collect_dynamic_libs("livekit.rtc", search_patterns=["*.so", "*.dll", "*.dylib"])
hiddenimports = ["livekit.rtc.resources"]
