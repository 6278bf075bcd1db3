/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest "lives" as saverun holds it. */
#ifndef CHAOS_TESTS_SAVEGUEST_H
#define CHAOS_TESTS_SAVEGUEST_H

#include "libdom/save.h"
#include "noxs/control.h"

#define PRINT_MAX 8192u

/* A guest, its two pages, its channel, and what it has printed. */
struct guest {
	struct xen *x;
	struct dom d;
	uint8_t *pages;
	uint32_t port, guest_port;
	struct noxs_control_end con;
	char text[PRINT_MAX];
	uint32_t used;
};

extern uint64_t guest_generation; /* of the next device page */

struct guest *guest_new(struct xen *x);
/* Destroys its domain, too. */
void guest_end(struct guest *g);
int guest_boot(struct guest *g, const struct dom_spec *spec, const char *image, const char *cmdline,
	       struct err *e);
/* Channel, both pages, and the device page's words. */
int guest_connect(struct guest *g, bool fresh, const char *cmdline, struct err *e);
/* Takes what it has printed. */
void guest_drain(struct guest *g);
/* Waits for a line of it, which has to say that all is well and that it has counted on. */
int guest_check_words(struct guest *g, uint64_t *count, struct err *e);
int guest_suspend(struct guest *g, struct err *e);
/* Pauses it when all of its vCPUs are blocked. */
int guest_pause_blocked(struct guest *g, struct err *e);

#endif
