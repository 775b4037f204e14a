// One function for each command: takes the parsed arguments, calls one function below, prints. Each
// returns the exit status; what they throw is told by main.
#pragma once

#include "cli/args.h"
#include "cli/command.h"

namespace penstock::cli {

int handle_prepare(const Arguments& arguments, CommandId id);
int handle_prepare_number(const Arguments& arguments, CommandId id);
int handle_enqueue(const Arguments& arguments);
int handle_seal(const Arguments& arguments);
int handle_keygen(const Arguments& arguments);
int handle_sign(const Arguments& arguments);
int handle_verify(const Arguments& arguments);

int handle_queue_init(const Arguments& arguments);
int handle_queue_write(const Arguments& arguments);
int handle_queue_number(const Arguments& arguments, CommandId id);
int handle_queue_ls(const Arguments& arguments);
int handle_queue_info(const Arguments& arguments);
int handle_queue_payload(const Arguments& arguments);
int handle_queue_sweep(const Arguments& arguments);
int handle_queue_check(const Arguments& arguments);
int handle_queue_process(const Arguments& arguments);

int handle_quarantine(const Arguments& arguments, CommandId id);

int handle_stdin_info(const Arguments& arguments);
int handle_stdin_payload(const Arguments& arguments);
int handle_stdin_process(const Arguments& arguments);

int handle_run(const Arguments& arguments);

int handle_doctor(const Arguments& arguments);

int handle_generate(CommandId id);
int handle_show_license();

}  // namespace penstock::cli
