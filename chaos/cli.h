/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the commands of chaos: the table, VMs in the form of the daemon's answers, output. */
#ifndef CHAOS_CLI_H
#define CHAOS_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "split-toolstack/protocol/client.h"
#include "split-toolstack/libchaos/decode.h"
#include "split-toolstack/libchaos/device.h"
#include "split-toolstack/libchaos/json.h"

#define EXIT_DONE   0
#define EXIT_FAILED 1
#define EXIT_USAGE  2
#define EXIT_UNSURE 3 /* migrate: it cannot be found out whether the VM runs on the other host */
/* chaos run, if the guest has not ended by itself. */
#define EXIT_CRASHED	 134
#define EXIT_DESTROYED	 137
#define EXIT_INTERRUPTED 130

struct command {
	const char *name;
	const char *args; /* for the usage line */
	const char *what; /* one line */
	const char *help; /* options, each on a line; may be NULL */
	int (*run)(const struct command *cmd, int argc, char **argv);
	enum proto_op op; /* for a command that sends one request for each VM */
};

/* All commands except help, in the order of the overview: COMMAND(NAME) stands for `const struct
 * command cmd_NAME`, which is defined in the file of its function and help. */
#define COMMANDS(COMMAND)                                                                          \
	COMMAND(create)                                                                            \
	COMMAND(run)                                                                               \
	COMMAND(list)                                                                              \
	COMMAND(info)                                                                              \
	COMMAND(console)                                                                           \
	COMMAND(exec)                                                                              \
	COMMAND(cp)                                                                                \
	COMMAND(pause)                                                                             \
	COMMAND(unpause)                                                                           \
	COMMAND(rename)                                                                            \
	COMMAND(set)                                                                               \
	COMMAND(shutdown)                                                                          \
	COMMAND(reboot)                                                                            \
	COMMAND(destroy)                                                                           \
	COMMAND(rm)                                                                                \
	COMMAND(wait)                                                                              \
	COMMAND(save)                                                                              \
	COMMAND(restore)                                                                           \
	COMMAND(migrate)                                                                           \
	COMMAND(migrate_receive)                                                                   \
	COMMAND(snapshot)                                                                          \
	COMMAND(snapshots)                                                                         \
	COMMAND(branch)                                                                            \
	COMMAND(sleep)                                                                             \
	COMMAND(wake)                                                                              \
	COMMAND(rollback)                                                                          \
	COMMAND(network_attach)                                                                    \
	COMMAND(network_detach)                                                                    \
	COMMAND(network_list)                                                                      \
	COMMAND(block_attach)                                                                      \
	COMMAND(block_detach)                                                                      \
	COMMAND(block_list)                                                                        \
	COMMAND(events)                                                                            \
	COMMAND(pool)                                                                              \
	COMMAND(image)                                                                             \
	COMMAND(top)                                                                               \
	COMMAND(host)                                                                              \
	COMMAND(metrics)                                                                           \
	COMMAND(version)

#define COMMAND_DECLARED(name) extern const struct command cmd_##name;
COMMANDS(COMMAND_DECLARED)

#define HELP_JSON "  -j, --json              print JSON\n"

/* --- options.c: help, usage and errors --- */

void print_help(const struct command *cmd, FILE *to);

/* Prints "chaos create: <text>" and how to get help; returns EXIT_USAGE. */
int usage(const struct command *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints "chaos: <message>"; returns EXIT_FAILED. */
int failed(const struct err *e);
/* The next option of getopt_long(); ends the program for --help and unknown options. */
int next_option(const struct command *cmd, int argc, char **argv, const char *letters,
		const struct option *longs);

/* Parses -j, and -f if it is allowed, for commands without other options. EXIT_USAGE: something
 * else was given; a message was printed. */
struct plain_options {
	json_t *json; /* an array; NULL: not requested */
	uint32_t flags;
};
int plain_options(const struct command *cmd, int argc, char **argv, bool can_force,
		  struct plain_options *out);
/* Ends a command: closes the connection, prints and frees `json` (NULL: nothing). Returns
 * `result`, or EXIT_FAILED if stdout fails. */
int conclude(struct client *c, json_t *json, int result);

/* --- VMs --- */

void print_vm(const struct chaos_vm *v);
/* Prints it as one line. */
void print_device(const struct chaos_device *d);
/* "poweroff, code 3" */
void print_end_text(const struct chaos_vm *v, char *to, size_t room);
/* "256K", "4M", "1.5G" */
void format_kib(uint64_t kib, char *to, size_t room);
/* "3.2s", "12m", "4h", "3d", for a number of nanoseconds. */
void format_age(uint64_t ns, char *to, size_t room);
/* "pv 256K x1 /usr/lib/..." */
void flavor_text(const struct chaos_flavor *f, char *to, size_t room);
/* Prints and frees it; -1 if stdout fails. */
int print_json(json_t *j);

/* After a request that may take long: prints a line on a terminal if it does. */
void tell_long(const struct client *c, const char *what);
/* For a restore or a copy of a snapshot: sets *flags from the word for its disks. -EINVAL: there
 * is no such word. */
int disks_flag(const char *word, uint32_t *flags, struct err *e);

/* Sends a request about one VM; the caller receives the answer. */
int ask(struct client *c, enum proto_op op, const char *what, uint32_t flags, struct err *e);

/* Prints a console until the VM has ended or the user detaches (1). *last: the VM at the end. */
int stream_console(struct client *c, const char *what, uint32_t flags, bool *ended,
		   struct chaos_vm *last, struct err *e);
/* Makes SIGINT and SIGTERM end stream_console() with -EINTR. */
void catch_interrupts(void);
/* The exit status of chaos run. */
int exit_of(const struct chaos_vm *v);

#endif
