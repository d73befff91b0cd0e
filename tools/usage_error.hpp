#pragma once

#include "deconv/core/error.hpp"

namespace deconv::tool {

/// The command line itself is wrong, whatever the files hold: exit status 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

}  // namespace deconv::tool
