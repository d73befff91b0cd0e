#pragma once

namespace deconv::tool {

/// From here on a first Ctrl-C (or SIGTERM) only asks the work to stop, so that temporaries are removed; a
/// second one ends the program at once.
void catch_interrupts();

/// Whether the work was asked to stop.
[[nodiscard]] bool interrupted();

/// Throws Error when the work was asked to stop. To be called between parts of long work.
void stop_if_interrupted();

}  // namespace deconv::tool
