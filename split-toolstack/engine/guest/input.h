/* SPDX-License-Identifier: BSD-3-Clause */
/* Input that waits for room in a console ring. */
#ifndef CHAOS_GUEST_INPUT_H
#define CHAOS_GUEST_INPUT_H

#include <stdbool.h>
#include <stdint.h>

struct noxs_control_end;

#define INPUT_QUEUE_MAX 65536u /* bytes */

/* Zeroed: empty. */
struct input_queue {
	uint8_t *bytes; /* INPUT_QUEUE_MAX, malloced with the first input */
	uint32_t at, len;
	uint32_t room; /* of the ring, when it was looked at last */
	double rest;   /* seconds until it is looked at again */
};

/* How many bytes found room in the queue; -ENOMEM. */
int input_add(struct input_queue *q, const void *data, uint32_t len);
/* Moves what finds room into the ring, if all of it does, or half of the ring is free: its reader
 * may send an event for each few bytes. True: something was moved, so its reader has to be
 * notified.
 */
bool input_push(struct input_queue *q, struct noxs_control_end *ring);
/* After input_push(): how long the reader's events may be left alone, in seconds, longer for a slow
 * one; 0: they are needed, because nothing waits, or it does not read. */
double input_rest(struct input_queue *q, bool pushed);
void input_clear(struct input_queue *q);
void input_free(struct input_queue *q);

#endif
