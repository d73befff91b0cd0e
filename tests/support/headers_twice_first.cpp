// One of two files of one program that both include everything: a function in a header that is not inline, or
// a variable defined there, fails to link. This one has main.
#include "deconv/deconv.hpp"

int second_file_answers();

int main() { return second_file_answers() == 2 ? 0 : 1; }
