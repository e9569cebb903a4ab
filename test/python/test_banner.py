"""The banner that `moonwire serve` prints to a terminal."""

import os
import pty
import subprocess
import unittest

from harness import ENGINE, MOONWIRE, TIMEOUT, project


class Banner(unittest.TestCase):
    def banner(self, settings):
        folder = project(self, {"lua/words.lua": "return {}", "moonwire.lua": f"return {{ workers = 1, {settings} }}"})
        terminal, end = pty.openpty()
        process = subprocess.Popen(
            [MOONWIRE, "serve", str(folder), "--listen", "127.0.0.1:0", "--data", ":memory:", *ENGINE],
            stdout=end, stderr=subprocess.DEVNULL)
        os.close(end)
        self.addCleanup(process.wait, TIMEOUT)
        self.addCleanup(process.kill)
        text = ""
        while "listening on" not in text:
            text += os.read(terminal, 4096).decode()
        os.close(terminal)
        return text

    def test_it_names_the_built_in_services_that_are_on(self):
        reflection = "grpc.reflection.v1 and v1alpha.ServerReflection"
        for settings, expected in (("", f"grpc.health.v1.Health, {reflection}"), ("health = false", reflection),
                                   ("reflection = false", "grpc.health.v1.Health"),
                                   ("health = false, reflection = false", "none")):
            self.assertIn(f"  built in: {expected}\r\n", self.banner(settings))


if __name__ == "__main__":
    unittest.main()
