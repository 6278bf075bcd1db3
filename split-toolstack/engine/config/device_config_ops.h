/* SPDX-License-Identifier: BSD-3-Clause */
/* The differences between kinds of devices in their configuration: one row for each kind. */
#ifndef CHAOS_ENGINE_DEVICE_CONFIG_OPS_H
#define CHAOS_ENGINE_DEVICE_CONFIG_OPS_H

#include "split-toolstack/engine/config/device_config.h"

struct device_record;

struct device_config_ops {
	const char *name; /* in the store, in /sys, in the log: "vbd" */
	const char *word; /* the key of a configuration, for messages: "disk" */
	const char *list; /* the chaos command that lists such devices: "block-list" */
	uint32_t most;	  /* largest number for one VM */
	uint32_t rings;	  /* ring pages of a noxs guest's device */
	bool has_file; /* it has a file (u.vbd), which is opened before the device is started and is
			  not part of a saved VM */
	/* Sets the defaults that are not zero, except the kind. */
	void (*init)(struct device_config *d);
	/* Frees memory and closes files; NULL: there are none. */
	void (*clear)(struct device_config *d);
	/* `to` is a bytewise copy of `from`: replaces pointers by copies. -ENOMEM. NULL: there
	 * are none. */
	int (*copy)(struct device_config *to, const struct device_config *from);
	/* Clears the values that two VMs must not both have. NULL: there are none. */
	void (*make_own)(struct device_config *d);
	/* Check one device, and two devices of this kind. -errno with the reason. */
	int (*check)(const struct device_config *d, struct err *e);
	int (*check_beside)(const struct device_config *d, const struct device_config *other,
			    struct err *e);
	/* -EINVAL: no device of this kind can have that name; NULL: all texts are allowed. */
	int (*check_name)(const char *name, struct err *e);
	/* Whether this is the device that a client means by `name`; `ifname`: its interface in
	 * dom0, or "". */
	bool (*is_named)(const struct device_config *d, const char *ifname, const char *name);
	/* Its part of a record: flags (not bits 4 and 5) and values. False: not valid. */
	void (*record_put)(struct device_record *r, const struct device_config *d);
	bool (*record_get)(const struct device_record *r, struct device_config *d);
	/* The text after that, perhaps written to `text`, which has DEVICE_PATH_MAX bytes; NULL:
	 * there is none. */
	const char *(*record_path)(const struct device_config *d, char *text);
	bool (*record_set_path)(struct device_config *d, const char *text);
};

bool vif_has_mac(const struct vif_config *v); /* false: a MAC is generated */
/* NULL: there is no vif. */
struct vif_config *device_first_vif(struct device_config *d, uint32_t n);
const struct vif_config *device_first_ipv4(const struct device_config *d, uint32_t n);

#define DEVICE_KIND_CONFIG_OPS(name, NUMBER)                                                       \
	extern const struct device_config_ops name##_config_ops;
DEVICE_KINDS_ALL(DEVICE_KIND_CONFIG_OPS)
extern const struct device_config_ops *const device_config_ops[DEVICE_KINDS];

#endif
