/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kinds of devices differ in as far as their configuration goes: a row each. */
#ifndef CHAOS_ENGINE_DEVICE_CONFIG_OPS_H
#define CHAOS_ENGINE_DEVICE_CONFIG_OPS_H

#include "split-toolstack/engine/config/device_config.h"

struct device_config_ops {
	const char *name; /* in the store, in /sys, in lines of the log: "vbd" */
	const char *word; /* in messages about configurations, as they say it: "disk" */
	const char *list; /* the command of chaos that lists them: "block-list" */
	uint32_t most;	  /* of one VM */
	uint32_t rings;	  /* pages, of a noxs guest's device */
	bool has_file; /* behind it (u.vbd): opened before it is started, no part of a saved VM */
	/* All but kind and zeros. */
	void (*init)(struct device_config *d);
	/* What it has malloced or open; NULL: nothing. */
	void (*clear)(struct device_config *d);
	/* `to` is `from` byte by byte: its own copies of that. -ENOMEM. NULL: there is nothing. */
	int (*copy)(struct device_config *to, const struct device_config *from);
	/* What two VMs must not both have is left open again. NULL: there is nothing. */
	void (*make_own)(struct device_config *d);
	/* Alone, and beside another one of its kind. -errno with the reason. */
	int (*check)(const struct device_config *d, struct err *e);
	int (*check_beside)(const struct device_config *d, const struct device_config *other,
			    struct err *e);
	/* -EINVAL: no device of this kind can be named so; NULL: any text may be a name. */
	int (*check_name)(const char *name, struct err *e);
	/* It is what a client means by a name that may be one; `ifname`: of its interface in dom0,
	 * or "". */
	bool (*is_named)(const struct device_config *d, const char *ifname, const char *name);
};

bool vif_has_mac(const struct vif_config *v); /* else one is made up */
/* NULL: there is none. */
struct vif_config *device_first_vif(struct device_config *d, uint32_t n);
const struct vif_config *device_first_ipv4(const struct device_config *d, uint32_t n);

extern const struct device_config_ops vif_config_ops, vbd_config_ops;
extern const struct device_config_ops *const device_config_ops[DEVICE_KINDS];

#endif
