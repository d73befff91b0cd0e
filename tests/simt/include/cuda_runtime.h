#pragma once
// Stands where CUDA's own header stands, so that kernels/*.cu compile with a plain host compiler and run on
// the emulated device. See docs/emulator.md.

#include "simt/qualifiers.hpp"
//
#include "simt/arithmetic.hpp"
#include "simt/atomics.hpp"
#include "simt/block.hpp"
#include "simt/launch.hpp"
#include "simt/runtime_api.hpp"
#include "simt/vector_types.hpp"
#include "simt/warp.hpp"
