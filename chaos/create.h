/* SPDX-License-Identifier: BSD-3-Clause */
/* What create and run share: their options, the request, its answer. */
#ifndef CHAOS_CREATE_H
#define CHAOS_CREATE_H

#include "chaos/cli.h"

#define SETS_MAX 32

struct create_args {
	const char *file;
	char *config; /* the file's text, once read; malloced */
	size_t config_len;
	char **override;
	int noverride;
	const char *kernel, *ramdisk;
	const char *from;     /* a snapshot: it is made of that, and of nothing else */
	const char *from_vif; /* vif=...: its MAC and IP address; NULL: any */
	const char *name;
	char *set[SETS_MAX];
	int nset;
	const char *ignore[SETS_MAX];
	int nignore;
	uint32_t flags;
	uint32_t count; /* 0: one, without a number in its name */
	bool console, json, quiet, interactive, rm;
};

enum {
	CREATE_SET = 256,
	CREATE_IGNORE,
	CREATE_RM,
	CREATE_COUNT,
	CREATE_VIF,
	CREATE_DISK,
	CREATE_XL,
	CREATE_NO_WAIT,
	CREATE_FROM
};
extern const struct option create_options[];
void create_read_option(struct create_args *a, int c);
void create_add_set(struct create_args *a, const char *key, const char *value);
void create_args_clear(struct create_args *a);

/* Connects, creates one VM, prints it; an exit status. The connection stays open. */
int create_one(struct create_args *a, struct client *c, struct chaos_vm *v);
/* The same for a->count of them, over one connection that is closed again. */
int create_many(struct create_args *a);

#endif
