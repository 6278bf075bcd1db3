/* SPDX-License-Identifier: BSD-3-Clause */
/* The rings of evilagent.c. */
#ifndef CHAOS_TESTS_EVILRING_H
#define CHAOS_TESTS_EVILRING_H

#include "guests/linux/link/link.h"

/* Loads what /modules has. */
void evilring_modules(void);
/* The host asks for a ring, with that number: what the way says is offered. */
void evilring_ask(struct link *l, const char *way, uint32_t number);
/* It has mapped it: what the way says is written into it. */
void evilring_use(struct link *l, const char *way, uint8_t session);

#endif
