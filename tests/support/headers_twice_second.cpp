// The other of the two files: see headers_twice_first.cpp.
#include "deconv/deconv.hpp"

int second_file_answers();
int second_file_answers() { return 2; }
