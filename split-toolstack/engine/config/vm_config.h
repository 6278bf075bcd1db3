/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration of a VM: plain data, with defaults, checks and copies. */
#ifndef CHAOS_ENGINE_VM_CONFIG_H
#define CHAOS_ENGINE_VM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <noxs/abi.h>

#include "base/err.h"
#include "libdom/libdom.h"
#include "split-toolstack/engine/config/device_config.h"

#define VM_NAME_MAX    128 /* bytes without NUL; [A-Za-z0-9_.:+-], not all digits, not a uuid */
#define VM_CMDLINE_MAX 1023

enum vm_action { VM_DESTROY, VM_RESTART, VM_RENAME_RESTART, VM_PRESERVE };

/* A VM that is the child of a guest. */
struct vm_child {
	uint32_t number;		 /* its number as a child; 0: it is not a child */
	uint32_t slot;			 /* below NOXS_CHILDREN_MAX */
	uint32_t port;			 /* its end of the channel to its parent */
	uint32_t frame[NOXS_FORK_PAGES]; /* frames of its parent that are shared; 0: none */
	uint8_t parent[16];
};
#define VM_FORK_DEPTH_MAX 4u
/* The limits of Xen's tables for a VM with `fork`, if its configuration sets none. */
static const struct dom_limits vm_fork_limits = {.asked = DOM_LIMIT_MAPTRACK_FRAMES,
						 .maptrack_frames = 1};

struct vm_config {
	char name[VM_NAME_MAX + 1]; /* empty: the engine generates one ("vm-1a2b3c4d") */
	uint8_t uuid[16];
	bool have_uuid; /* false: the engine generates a random one */
	enum dom_type type;
	char *kernel;  /* absolute path, for messages, restart and `info`; malloced, may be NULL */
	char *ramdisk; /* likewise */
	char *cmdline; /* malloced, NULL = empty */
	int kernel_fd; /* open for reading; -1: the engine opens `kernel` */
	int ramdisk_fd;
	uint64_t mem_kib;
	uint64_t maxmem_kib; /* 0 = mem_kib */
	uint32_t vcpus;
	uint32_t maxvcpus; /* vCPUs of the domain; 0 = vcpus */
	struct dom_limits limits;
	uint32_t weight;      /* 0 = default */
	uint32_t cap;	      /* UINT32_MAX = no cap */
	struct dom_cpus cpus; /* its bitmaps are malloced */
	enum vm_action on_poweroff, on_reboot, on_crash;
	struct device_config *device; /* malloced; in the order of the configuration */
	uint32_t ndevice;
	char *snapshot; /* digest of the snapshot that it was made from, or that was last made of
			   it; malloced, or NULL */
	/* Ring pages of its domain that no device uses, because it was restored or forked without
	 * these devices. */
	uint32_t spare_rings;
	uint32_t agent;	     /* 1: Linux gets a second console for its agent (guest/channel.h) */
	uint32_t fork;	     /* largest number of children at a time; 0: none */
	uint32_t fork_depth; /* generations of children */
	struct vm_child child;
	uint8_t copy_of[16]; /* uuid of the VM that it is a branch or child of; zero: none */
};

/* Defaults: PV, memory 0 (must be set), 1 vCPU, fds -1, on_poweroff destroy, on_reboot restart,
 * on_crash destroy. */
static inline void vm_config_init(struct vm_config *c)
{
	memset(c, 0, sizeof(*c));
	c->type = DOM_PV;
	c->kernel_fd = -1;
	c->ramdisk_fd = -1;
	c->vcpus = 1;
	c->cap = UINT32_MAX;
	c->on_poweroff = VM_DESTROY;
	c->on_reboot = VM_RESTART;
	c->on_crash = VM_DESTROY;
}
/* vCPUs of the domain, switched on or not. */
static inline uint32_t vm_config_vcpus(const struct vm_config *c)
{
	return c->maxvcpus > c->vcpus ? c->maxvcpus : c->vcpus;
}
/* Frees strings and closes fds; may be called again. */
void vm_config_clear(struct vm_config *c);
/* Takes ownership of the digest, which is malloced; NULL: none. */
void vm_config_set_snapshot(struct vm_config *c, char *digest);
/* Copies all except open files and the uuid. -ENOMEM; then `to` is cleared. */
int vm_config_copy(struct vm_config *to, const struct vm_config *from);
/* -EINVAL; the message has the key, the value and what to do. */
int vm_config_check(const struct vm_config *c, struct err *e);
/* The same for a VM that is not built from an image (restored, copied): it needs no kernel. */
int vm_config_check_built(const struct vm_config *c, struct err *e);

const char *vm_action_name(enum vm_action a);		    /* "destroy", "restart", ... */
int vm_action_parse(const char *word, enum vm_action *out); /* -EINVAL */

#endif
