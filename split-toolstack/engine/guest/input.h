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
};

/* How many bytes found room in the queue; -ENOMEM. */
int input_add(struct input_queue *q, const void *data, uint32_t len);
/* Moves what finds room into the ring. True: there was some, so its reader has to be notified. */
bool input_push(struct input_queue *q, struct noxs_control_end *ring);
void input_clear(struct input_queue *q);
void input_free(struct input_queue *q);

#endif
