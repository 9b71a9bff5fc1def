// Package reselling owns what happens between the provider and his resellers: who they are, what they may use at most, the plans that they
// sign up for, the servers that they get by sale or by plan, and the pools that placements are made from (rules H1 to H18 and S1 to S13). Pure.
package reselling
