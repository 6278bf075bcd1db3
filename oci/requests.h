/* SPDX-License-Identifier: BSD-3-Clause */
/* What commands, engines and terminals ask of linux.c. */
#ifndef CHAOS_OCI_REQUESTS_H
#define CHAOS_OCI_REQUESTS_H

#include "oci/control.h"
#include "oci/session.h"

/* A request at the control socket: a control_fn, whose context is the monitor. */
int requests_do(void *ctx, struct control_call *call, struct err *e);
/* A signal for the monitor. */
void requests_signal(struct linux_monitor *m, int fd);
/* What has asked for a process says something, or is gone. */
void requests_asker(struct linux_monitor *m, uint8_t number);

#endif
