#pragma once
/// The commands, for main.cpp: one function each, in a file of its own, adds the command to the program; when
/// the command line names it, `action` becomes its work.

#include "options.hpp"

namespace deconv::tool {

void add_info(CLI::App& program, Action& action);
void add_convert(CLI::App& program, Action& action);
void add_run(CLI::App& program, Action& action);
void add_classify(CLI::App& program, Action& action);
void add_project(CLI::App& program, Action& action);
void add_features(CLI::App& program, Action& action);
void add_filters(CLI::App& program, Action& action);
void add_activations(CLI::App& program, Action& action);
void add_gradcam(CLI::App& program, Action& action);
void add_occlude(CLI::App& program, Action& action);
void add_maximise(CLI::App& program, Action& action);
void add_attribute(CLI::App& program, Action& action);
void add_curvature(CLI::App& program, Action& action);
void add_train(CLI::App& program, Action& action);
void add_evaluate(CLI::App& program, Action& action);
void add_evolve(CLI::App& program, Action& action);
void add_transfer(CLI::App& program, Action& action);
void add_stages(CLI::App& program, Action& action);
void add_invariance(CLI::App& program, Action& action);
void add_correspond(CLI::App& program, Action& action);
void add_ablate(CLI::App& program, Action& action);
void add_report(CLI::App& program, Action& action);

}  // namespace deconv::tool
