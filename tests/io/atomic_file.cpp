// Writing whole or not at all, and reading.

#include "deconv/io/atomic_file.hpp"

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "deconv/io/file.hpp"
#include "io/damage.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using namespace deconv;
using test::error_of;
using test::mentions;

std::ptrdiff_t files_in(const std::filesystem::path& folder) {
  return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
}

}  // namespace

TEST_CASE("a committed file holds all that was written", "[io][atomic_file]") {
  const test::ScratchFolder folder;
  const auto path = folder / "a.txt";
  {
    io::AtomicFile file(path);
    file.write(std::string_view("one "));
    CHECK(!std::filesystem::exists(path));
    file.write(std::string_view("two"));
    file.commit();
  }
  CHECK(io::read_text(path) == "one two");
  io::write_text(path, "three");
  CHECK(io::read_text(path) == "three");
  CHECK(files_in(folder.path()) == 1);
  // The permissions are those that any program's files get.
  const mode_t mask = umask(0);
  umask(mask);
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777u) == (0666u & ~mask));
}

TEST_CASE("a file that is not committed leaves what was there", "[io][atomic_file]") {
  const test::ScratchFolder folder;
  const auto path = folder / "a.txt";
  io::write_text(path, "before");
  CHECK_THROWS_AS(
      [&] {
        io::AtomicFile file(path);
        file.write(std::string_view("half of"));
        throw std::runtime_error("on the way");
      }(),
      std::runtime_error);
  CHECK(io::read_text(path) == "before");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a link keeps being a link", "[io][atomic_file]") {
  const test::ScratchFolder folder;
  io::write_text(folder / "real.txt", "before");
  std::filesystem::create_symlink("real.txt", folder / "link.txt");
  io::write_text(folder / "link.txt", "after");
  CHECK(std::filesystem::is_symlink(folder / "link.txt"));
  CHECK(io::read_text(folder / "real.txt") == "after");
}

TEST_CASE("what cannot be written or read is named", "[io][atomic_file]") {
  const test::ScratchFolder folder;
  CHECK(mentions(error_of([&] { io::write_text(folder / "no" / "a.txt", ""); }), "a.txt: No such file"));
  CHECK(mentions(error_of([&] { io::write_text(folder.path(), ""); }), "not a regular file"));
  CHECK(mentions(error_of([&] { io::write_text("/dev/null", ""); }), "not a regular file"));
  CHECK(mentions(error_of([&] { io::write_text(folder.path() / "", ""); }), "file name is wanted"));
  CHECK(mentions(error_of([&] { static_cast<void>(io::read_file(folder / "absent")); }),
                 "absent: No such file"));
  CHECK(mentions(error_of([&] { static_cast<void>(io::read_file(folder.path())); }), "this is a folder"));
  CHECK(mentions(error_of([&] { static_cast<void>(io::read_file("/dev/zero")); }), "a regular file"));
  io::write_text(folder / "ten.txt", "0123456789");
  CHECK(mentions(error_of([&] { static_cast<void>(io::read_file(folder / "ten.txt", 9)); }),
                 "at most 9 bytes"));
  CHECK(io::read_file(folder / "ten.txt", 10).size() == 10);
  // A name at the system's limit still gets its temporary.
  const std::string longest(255, 'n');
  io::write_text(folder / longest, "long");
  CHECK(io::read_text(folder / longest) == "long");
}

TEST_CASE("parts of a file", "[io][atomic_file]") {
  const test::ScratchFolder folder;
  io::write_text(folder / "a.txt", "0123456789");
  const io::FileSource source(folder / "a.txt");
  std::string part(4, ' ');
  source.read(3, part.data(), 4);
  CHECK(part == "3456");
  CHECK_THROWS_AS(source.read(7, part.data(), 4), FormatError);
  CHECK_THROWS_AS(source.read(~std::uint64_t{0}, part.data(), 4), FormatError);
  // The file becomes shorter behind the reader's back.
  std::filesystem::resize_file(folder / "a.txt", 5);
  CHECK_THROWS_AS(source.read(3, part.data(), 4), IoError);
}
