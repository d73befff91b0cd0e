#pragma once
/// Files that may be compressed with gzip.

#if __has_include(<zlib.h>)
#include <zlib.h>
#else
#error "deconv/io/gzip.hpp needs zlib (Debian: zlib1g-dev)"
#endif

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "deconv/io/file.hpp"

namespace deconv::io {

namespace detail {

/// A zlib inflater for gzip members.
class Inflater {
 public:
  Inflater() {
    // 16 asks for gzip's wrapping with its check sum; 15 is the largest window.
    require<DeviceError>(inflateInit2(&stream_, 16 + 15) == Z_OK,
                         "out of host memory: no room to decompress");
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream_); }
  z_stream& stream() noexcept { return stream_; }

 private:
  z_stream stream_{};
};

}  // namespace detail

/// The bytes as they are, or decompressed where they are gzip's (one or several members). At most `limit`
/// bytes come out. Throws FormatError for damaged or cut data, and for more than that.
[[nodiscard]] inline Bytes decompress(Bytes bytes, const std::string& name, std::uint64_t limit) {
  if (bytes.size() < 2 || bytes[0] != 0x1f || bytes[1] != 0x8b) {
    require<FormatError>(bytes.size() <= limit, name, ": at most ", limit, " bytes wanted, it has ",
                         bytes.size());
    return bytes;
  }
  Bytes result;
  std::vector<std::uint8_t> part(std::size_t{1} << 16);
  std::size_t at = 0;
  while (at < bytes.size()) {
    detail::Inflater inflater;
    z_stream& stream = inflater.stream();
    int status = Z_OK;
    while (status != Z_STREAM_END) {
      const auto offered = static_cast<uInt>(std::min<std::size_t>(bytes.size() - at, std::size_t{1} << 30));
      stream.next_in = bytes.data() + at;
      stream.avail_in = offered;
      stream.next_out = part.data();
      stream.avail_out = static_cast<uInt>(part.size());
      status = inflate(&stream, Z_NO_FLUSH);
      at += offered - stream.avail_in;
      require<FormatError>(status == Z_OK || status == Z_STREAM_END, name,
                           ": damaged or cut gzip data (at byte ", at, " of ", bytes.size(), ")");
      const std::uint8_t* const end = stream.next_out;
      require<FormatError>(static_cast<std::uint64_t>(end - part.data()) <= limit - result.size(), name,
                           ": it decompresses to more than the ", limit, " bytes that are read");
      result.insert(result.end(), static_cast<const std::uint8_t*>(part.data()), end);
    }
  }
  return result;
}

/// A file's content, decompressed where it is gzip's. At most `limit` bytes, before and after. Throws
/// IoError, FormatError.
[[nodiscard]] inline Bytes read_maybe_gzip(const std::filesystem::path& path,
                                           std::uint64_t limit = std::uint64_t{1} << 30) {
  return decompress(read_file(path, limit), path.string(), limit);
}

}  // namespace deconv::io
