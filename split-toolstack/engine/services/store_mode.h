/* SPDX-License-Identifier: BSD-3-Clause */
/* Which program is the host's store. */
#ifndef CHAOS_ENGINE_SERVICES_STORE_MODE_H
#define CHAOS_ENGINE_SERVICES_STORE_MODE_H

/* Chosen at start; chaosd; a xenstored that runs; no store. */
enum store_mode { STORE_AUTO, STORE_OWN, STORE_BESIDE, STORE_NOBODY };

#endif
