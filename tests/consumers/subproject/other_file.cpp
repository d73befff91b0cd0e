#include "deconv/deconv.hpp"

deconv::Shape shape_from_the_other_file();
deconv::Shape shape_from_the_other_file() { return {1, 2, 3, 4}; }
