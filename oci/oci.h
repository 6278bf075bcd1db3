/* SPDX-License-Identifier: BSD-3-Clause */
/* chaos-oci: the OCI runtime command line. What its commands share. */
#ifndef CHAOS_OCI_OCI_H
#define CHAOS_OCI_OCI_H

#include <stdbool.h>

#include "base/err.h"
#include "oci/image.h"

enum ahead_use { AHEAD_PREFER, AHEAD_NEVER, AHEAD_REQUIRE };

/* What engines say before the command. */
struct oci {
	const char *root;	  /* folder of states */
	const char *log;	  /* file for errors; NULL: standard error alone */
	bool log_json;		  /* form of that */
	const char *kernel;	  /* of Linux, for images that are no unikernels */
	struct image_cache cache; /* of their roots */
	enum ahead_use ahead;	  /* of VMs that have booted */
};

struct verb {
	const char *name, *args, *what;
	/* Its own words begin at argv[1]. 0 or a negative errno, with a message; or the command's
	 * exit status. */
	int (*run)(const struct oci *o, int argc, char **argv, struct err *e);
};

extern const struct verb verb_create, verb_start, verb_state, verb_kill, verb_delete, verb_pause,
	verb_resume, verb_ps, verb_list, verb_events, verb_features, verb_spec, verb_exec,
	verb_update, verb_hold, verb_ahead;

/* A line in the file of --log, if there is one. */
void oci_log(const struct oci *o, const char *message);

/* The container that a command names, its only word behind options: NULL and -EINVAL without. */
const char *oci_one_id(int argc, char **argv, struct err *e);
/* The same of a command that has no options. */
const char *oci_plain_id(int argc, char **argv, struct err *e);

#endif
