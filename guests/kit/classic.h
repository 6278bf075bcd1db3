/* SPDX-License-Identifier: BSD-3-Clause */
/* Within the kit: the classic XenStore handshake, and the bytes of the store's ring. */
#ifndef CHAOS_GUEST_CLASSIC_H
#define CHAOS_GUEST_CLASSIC_H

#include "dev.h"

#include <xen/io/xs_wire.h>

/* classic.c */
bool classic_open(struct kit_device *d);
void classic_close(struct kit_device *d);
void classic_power(void);
/* "aa:bb:cc:dd:ee:ff"; false when it is not that. Pure. */
bool classic_mac(const char *text, uint8_t mac[6]);
/* A decimal number that fits; `none` when the text is not one. Pure. */
uint64_t classic_number(const char *text, uint64_t none);

/*
 * wire.c, pure: moves bytes over a store ring page as far as they go. The number of bytes moved, or
 * -1 when the peer's index makes no sense.
 */
int wire_put(volatile struct xenstore_domain_interface *ring, const void *data, size_t len);
int wire_get(volatile struct xenstore_domain_interface *ring, void *data, size_t len);
/* What a message from the store is: */
enum wire_kind { WIRE_BROKEN, WIRE_EVENT, WIRE_REPLY };
enum wire_kind wire_kind(const struct xsd_sockmsg *head, uint32_t type, uint32_t req_id);
/* The payload of an XS_ERROR, len bytes without a NUL, as enum kit_store_error. */
int wire_error(const char *text, size_t len);

#endif
