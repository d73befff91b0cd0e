#pragma once
/// Catch2, version 2 or 3: one include for every test. Version 3 split the single header; the names that
/// tests use stay the same, except Approx, which it moved into namespace Catch.

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#elif __has_include(<catch2/catch.hpp>)
#include <catch2/catch.hpp>
#else
#error "deconv's tests need Catch2, version 2 or 3 (Debian: catch2)"
#endif
