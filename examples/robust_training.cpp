// Trains a classifier naturally and by Madry's adversarial training, attacks both, and writes a report: the library's main job.
#include "robust_training.hpp"

#include "saddle/backend/cpu/cpu.hpp"

int main(int count, char** arguments) { return robust_training<saddle::backend::cpu>(count, arguments); }
