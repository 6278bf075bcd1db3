/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by create and run: options, request, answer. */
#ifndef CHAOS_CREATE_H
#define CHAOS_CREATE_H

#include "chaos/cli.h"

#define SETS_MAX 32

struct create_args {
	const char *file;
	char *config; /* the text of the file, when it was read; malloced */
	size_t config_len;
	char **override;
	int noverride;
	const char *kernel, *ramdisk;
	const char *from;     /* a snapshot to copy; then no other source is given */
	const char *from_vif; /* vif=...: MAC and IP address of the copy; NULL: any */
	const char *name;
	char *set[SETS_MAX];
	int nset;
	const char *ignore[SETS_MAX];
	int nignore;
	uint32_t flags;
	uint32_t count; /* 0: one VM, without a number in its name */
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

/* Connects, creates one VM and prints it; returns an exit status. The connection stays open. */
int create_one(struct create_args *a, struct client *c, struct chaos_vm *v);
/* The same for a->count VMs, over one connection, which is closed. */
int create_many(struct create_args *a);

#endif
