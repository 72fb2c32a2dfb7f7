// The program: everything is in cli/app.cpp, so that tests can link it.
#include "cli/app.h"

int main(int argc, char** argv) {
  return halfbyte::run_command_line(argc, argv);
}
